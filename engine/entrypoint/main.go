// roost-entrypoint is the first process of a step's container in the pod of a run. The containers of all steps start
// together; each waits here for its turn, runs the step's commands once or several times, and leaves how it ended.
//
//	roost-entrypoint install FOLDER    puts itself there; the conductor's postStart hook does
//	roost-entrypoint run               the step that ROOST_STEP describes
//
// Nothing but files and locks joins it to the conductor (roost.builds.conduct):
//
//	<gate>           held locked by the conductor until the step's turn. The lock also goes when the conductor dies, so
//	                 nobody waits for a dead one; without <own>/go the step then just ends.
//	<own>/alive      held locked by this process: free means that the step's container is gone, whatever it left.
//	<own>/go         written before the gate opens: the step is to run, with so many seconds for all its tries.
//	<own>/output     what the commands print, up to a limit; made by the conductor, which reads it as it grows.
//	<own>/result     how it ended, JSON; moved into place when no process of the step is left.
//
// <own> belongs to this step alone; what a step writes there can only be about itself.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lookEvery = 20 * time.Millisecond
	patience  = 15 * time.Minute // For the conductor's first sign of life.
)

func main() {
	arguments := os.Args[1:]
	var err error
	switch {
	case len(arguments) == 2 && arguments[0] == "install":
		err = install(arguments[1])
	case len(arguments) == 1 && arguments[0] == "run":
		err = run()
	default:
		err = errors.New("usage: roost-entrypoint install FOLDER | run")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "roost-entrypoint:", err)
		os.Exit(1)
	}
}

func install(folder string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	source, err := os.Open(own)
	if err != nil {
		return err
	}
	defer source.Close()
	path := filepath.Join(folder, "roost-entrypoint")
	target, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o555)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func run() error {
	// No process of the step may look into this one, or become it: it runs as the same user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	step, err := read(os.Getenv("ROOST_STEP"))
	if err != nil {
		return err
	}
	alive, err := os.OpenFile(filepath.Join(step.Own, "alive"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer alive.Close()
	if err := unix.Flock(int(alive.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGTERM, unix.SIGINT)
	turn := make(chan error, 1)
	go func() { turn <- await(step.Gate) }()
	select {
	case <-ended:
		return nil
	case err := <-turn:
		if err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(step.Own, "go"))
	if err != nil {
		return nil
	}
	seconds, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	return leave(step, carryOut(step, time.Duration(seconds)*time.Second, ended))
}

// await returns when the conductor has opened the gate, or is dead.
func await(gate string) error {
	deadline := time.Now().Add(patience)
	for {
		file, err := os.OpenFile(gate, os.O_RDONLY, 0)
		if err == nil {
			defer file.Close()
			for {
				if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != unix.EINTR {
					return err
				}
			}
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the run's conductor did not start")
		}
		time.Sleep(lookEvery)
	}
}
