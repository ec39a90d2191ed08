// drain ends an instance of an application without losing a request.
//
//	drain wait    runs inside the instance, as its preStop hook: it waits until no gateway leads requests to it and
//	              until those under way have been answered, no longer than it may, and then lets the instance end
//	drain serve   runs once for the whole cluster: it asks the gateways what they lead to, and tells an instance
//	              about itself, by the address that it asks from, and about nobody else
//
// docs/decisions/0250 says why it is so.
package main

import (
	"fmt"
	"os"
)

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 0 {
		fmt.Fprintln(os.Stderr, "usage: drain wait|serve [flags]")
		os.Exit(2)
	}
	switch arguments[0] {
	case "wait":
		// Whatever went wrong is said, but is no reason to end the instance any sooner or later: a hook that fails is
		// an event that alarms somebody for nothing.
		if err := wait(arguments[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	case "serve":
		if err := serve(arguments[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintf(os.Stderr, "drain: %q is neither wait nor serve\n", arguments[0])
		os.Exit(2)
	}
}
