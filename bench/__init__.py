"""Every published figure, one command each: `make bench B=P1`. See README.md beside this file."""
