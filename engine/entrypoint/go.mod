module roost.dev/entrypoint

go 1.26

require golang.org/x/sys v0.10.0
