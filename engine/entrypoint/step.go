package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long the commands have to end after SIGTERM.
const grace = 5 * time.Second

// Step is what ROOST_STEP says.
type Step struct {
	Gate      string   `json:"gate"`      // A file.
	Own       string   `json:"own"`       // A folder.
	Workspace string   `json:"workspace"` // Where the commands run.
	Commands  []string `json:"commands"`  // Lines of one shell.
	TimeoutS  int      `json:"timeoutS"`  // Of one try.
	Tries     int      `json:"tries"`
	Limit     int64    `json:"limit"`   // Bytes of output that are kept, of all tries.
	Secrets   []string `json:"secrets"` // Variables whose values are not printed.
}

// Result is how a step ended.
type Result struct {
	ExitCode int     `json:"exitCode"` // -1: a signal.
	Reason   string  `json:"reason"`   // One CamelCase word, empty when it went well.
	Message  string  `json:"message"`
	Tries    int     `json:"tries"`
	Seconds  float64 `json:"seconds"`
	Tail     string  `json:"tail"` // The last lines that it printed.
}

func read(text string) (Step, error) {
	step := Step{}
	if err := json.Unmarshal([]byte(text), &step); err != nil {
		return step, fmt.Errorf("ROOST_STEP is no step: %w", err)
	}
	if step.Gate == "" || step.Own == "" || step.Workspace == "" || step.TimeoutS < 1 || step.Tries < 1 {
		return step, errors.New("ROOST_STEP is no whole step")
	}
	if home := os.Getenv("HOME"); home != "" {
		// Where `pip install --user` and the like put programs.
		if err := os.Setenv("PATH", filepath.Join(home, ".local/bin")+":"+os.Getenv("PATH")); err != nil {
			return step, err
		}
	}
	return step, errors.Join(trust(os.Getenv("ROOST_TRUST")), os.Unsetenv("ROOST_STEP"))
}

// trusting is by which variables programs are told whose certificates to trust.
var trusting = []string{
	"PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
}

// trust tells programs the site's bundle, where there is one and the step does not say otherwise.
func trust(bundle string) error {
	if _, err := os.Stat(bundle); err != nil {
		return nil
	}
	for _, name := range trusting {
		if _, set := os.LookupEnv(name); !set {
			if err := os.Setenv(name, bundle); err != nil {
				return err
			}
		}
	}
	return nil
}

// script is the commands as one text for a shell that stops at the first failure and shows each before it runs.
func script(commands []string) string {
	lines := []string{"set -e"}
	for _, command := range commands {
		shown := strings.ReplaceAll(strings.TrimRight(command, "\n"), "'", `'\''`)
		lines = append(lines, fmt.Sprintf("printf '%%s\\n' '$ %s'", shown), command)
	}
	return strings.Join(lines, "\n") + "\n"
}

func carryOut(step Step, most time.Duration, ended <-chan os.Signal) Result {
	begun := time.Now()
	out := open(step)
	defer out.close()
	result := Result{}
	for result.Tries < step.Tries {
		if result.Tries > 0 {
			out.say(fmt.Sprintf("-----> %s Try %d of %d.", result.Message, result.Tries+1, step.Tries))
		}
		tries := result.Tries + 1
		limit := min(time.Duration(step.TimeoutS)*time.Second, most-time.Since(begun))
		result = once(step, out, limit, ended)
		result.Tries = tries
		final := result.Reason == "" || result.Reason == "Cancelled" || result.Reason == "NoShell"
		if final || time.Since(begun) >= most {
			break
		}
	}
	result.Seconds = time.Since(begun).Seconds()
	result.Tail = out.tail()
	return result
}

func once(step Step, out *output, limit time.Duration, ended <-chan os.Signal) Result {
	command := exec.Command("/bin/sh", "-c", script(step.Commands))
	command.Dir = step.Workspace
	command.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	reader, writer, err := os.Pipe()
	if err != nil {
		return Result{ExitCode: -1, Reason: "NotStarted", Message: err.Error() + "."}
	}
	defer reader.Close()
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		writer.Close()
		return notStarted(err)
	}
	writer.Close()
	copied := make(chan struct{})
	go func() { out.copy(reader); close(copied) }()
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	result := Result{}
	select {
	case err := <-done:
		result = judge(command, err)
	case <-timer.C:
		stop(command.Process.Pid, done)
		words := fmt.Sprintf("It took longer than %.0f s.", limit.Seconds())
		result = Result{ExitCode: -1, Reason: "TimedOut", Message: words}
	case <-ended:
		stop(command.Process.Pid, done)
		result = Result{ExitCode: -1, Reason: "Cancelled", Message: "The run was stopped."}
	}
	endAll(command.Process.Pid)
	<-copied
	return result
}

func notStarted(err error) Result {
	if errors.Is(err, os.ErrNotExist) {
		return Result{ExitCode: -1, Reason: "NoShell", Message: "The image has no /bin/sh, which commands need."}
	}
	return Result{ExitCode: -1, Reason: "NotStarted", Message: err.Error() + "."}
}

func judge(command *exec.Cmd, err error) Result {
	if err == nil {
		return Result{}
	}
	status, ok := command.ProcessState.Sys().(interface {
		Signaled() bool
		Signal() unix.Signal
		ExitStatus() int
	})
	if !ok {
		return Result{ExitCode: -1, Reason: "Failed", Message: err.Error() + "."}
	}
	if status.Signaled() {
		return signalled(status.Signal())
	}
	code := status.ExitStatus()
	if code == 128+int(unix.SIGKILL) {
		return signalled(unix.SIGKILL)
	}
	return Result{ExitCode: code, Reason: "Failed", Message: fmt.Sprintf("It ended with exit code %d.", code)}
}

func signalled(number unix.Signal) Result {
	words := fmt.Sprintf("It was ended by the signal %s.", unix.SignalName(number))
	if number == unix.SIGKILL {
		words = "It was killed, most likely because it took more memory than its limit."
	}
	return Result{ExitCode: -1, Reason: "Killed", Message: words}
}

// stop asks the commands to end, then ends them.
func stop(group int, done <-chan error) {
	_ = unix.Kill(-group, unix.SIGTERM)
	select {
	case <-done:
	case <-time.After(grace):
		_ = unix.Kill(-group, unix.SIGKILL)
		<-done
	}
}

// endAll leaves no process of the step behind: in a container this is the first process, and all others are its own.
func endAll(group int) {
	_ = unix.Kill(-group, unix.SIGKILL)
	if os.Getpid() != 1 {
		return
	}
	for {
		_ = unix.Kill(-1, unix.SIGKILL)
		_, err := unix.Wait4(-1, nil, 0, nil)
		if err == unix.ECHILD {
			return
		}
	}
}

func leave(step Step, result Result) error {
	text, err := json.Marshal(result)
	if err != nil {
		return err
	}
	path := filepath.Join(step.Own, "result")
	_ = os.RemoveAll(path + ".new")
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	_ = os.RemoveAll(path)
	return os.Rename(path+".new", path)
}
