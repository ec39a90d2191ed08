"""Identity: the ways in beside name and password, and what people take along to kubectl and to machines.

kubernetes    a short-lived credential for kubectl: a TokenRequest for the caller's own ServiceAccount
machines      tokens of machines: each a ServiceAccount of its own, a member of one tenant
invitations   a link that makes somebody a member, once
cookies       the browser's one cookie, and the defence of what is sent with it
pages         the few pages that a browser sees
browser       signing in and out in a browser, by password or through the site's OpenID provider
device        signing a terminal in by a code (RFC 8628)
provisioning  who a provider's identity is here, and who may become somebody
"""
