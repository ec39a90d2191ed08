package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	longest = 16 * 1024 // Bytes of a line; what is longer is cut into several.
	kept    = 3 * 1024  // Bytes of the last lines.
)

var mask = []byte("***")

// output is what a step prints: to the container's log and to the file that the conductor reads, within a limit, with
// no value of a secret in it.
type output struct {
	file    *os.File
	left    int64
	limit   int64
	full    bool
	secrets [][]byte
	last    []byte
}

func open(step Step) *output {
	out := &output{left: step.Limit, limit: step.Limit}
	// Made by the conductor. Without it the container's log has all.
	flags := os.O_WRONLY | os.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if file, err := os.OpenFile(filepath.Join(step.Own, "output"), flags, 0); err == nil {
		out.file = file
	}
	for _, name := range step.Secrets {
		for _, line := range bytes.Split([]byte(os.Getenv(name)), []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) >= 4 {
				out.secrets = append(out.secrets, line)
			}
		}
	}
	return out
}

func (o *output) close() {
	if o.file != nil {
		o.file.Close()
	}
}

// copy hands on lines until everybody who could write has ended. It always reads to the end: nobody waits for it.
func (o *output) copy(source io.Reader) {
	lines := bufio.NewReaderSize(source, longest)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			o.write(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (o *output) say(line string) { o.write([]byte(line + "\n")) }

func (o *output) write(line []byte) {
	for _, secret := range o.secrets {
		line = bytes.ReplaceAll(line, secret, mask)
	}
	if len(line) > 0 && line[len(line)-1] != '\n' {
		line = append(append([]byte{}, line...), '\n')
	}
	o.last = append(o.last, line...)
	if len(o.last) > 2*kept {
		o.last = append([]byte{}, o.last[len(o.last)-kept:]...)
	}
	if o.full {
		return
	}
	if o.left < int64(len(line)) {
		o.full = true
		line = []byte(fmt.Sprintf("-----> More than %d KiB of output: the rest is left out.\n", o.limit/1024))
	}
	o.left -= int64(len(line))
	_, _ = os.Stdout.Write(line)
	if o.file != nil {
		_, _ = o.file.Write(line)
	}
}

func (o *output) tail() string {
	last := o.last
	if len(last) > kept {
		last = last[len(last)-kept:]
	}
	return string(bytes.ToValidUTF8(last, []byte("?")))
}
