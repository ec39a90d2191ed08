// drain ends an instance of an application without losing a request.
//
//	drain wait    runs inside the instance, as its preStop hook: it waits until no gateway leads requests to it and
//	              until those under way have been answered, no longer than it may, and then lets the instance end
//	drain install FILE   copies itself, where it cannot be mounted
//	drain serve   runs once for the whole cluster: it asks the gateways what they lead to, and tells an instance
//	              about itself, by the address that it asks from, and about nobody else
//
// docs/decisions/0250 says why it is so.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 0 {
		fmt.Fprintln(os.Stderr, "usage: drain wait|install|serve ...")
		os.Exit(2)
	}
	switch arguments[0] {
	case "wait":
		// Whatever went wrong is said, but is no reason to end the instance any sooner or later: a hook that fails is
		// an event that alarms somebody for nothing.
		if err := wait(arguments[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	case "install":
		if err := install(arguments[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "serve":
		if err := serve(arguments[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintf(os.Stderr, "drain: %q is none of wait, install and serve\n", arguments[0])
		os.Exit(2)
	}
}

// install copies this program to a file that anybody may run.
func install(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: drain install FILE")
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(own)
	if err != nil {
		return err
	}
	return os.WriteFile(arguments[0], program, 0o755)
}
