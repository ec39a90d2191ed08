"""The smallest application that serves and ends as it should, for tests that need one and do not care which.

It answers the word VERSION, which a test replaces by one of its own.
"""

PROGRAM = """\
import http.server
import signal
import threading


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"VERSION")

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("", 8080), Page)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
CONTAINERFILE = 'FROM base/python:3.13\nCOPY app.py /srv/app.py\nUSER 1000\nCMD ["python3", "/srv/app.py"]\n'
