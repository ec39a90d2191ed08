package main

import (
	"errors"
	"testing"
	"time"
)

func TestWhatCameOfAPartStandsBesideWhatCameOfAll(t *testing.T) {
	all := &book{parts: map[string]map[string]*outcome{}}
	now := time.Now()
	for range 3 {
		all.note("before", "http1", now.Add(-10*time.Millisecond), nil)
	}
	all.note("during", "http1", now.Add(-time.Second), nil)
	all.note("during", "slow", now, errors.New("status 502"))
	result := all.tell()
	if sum := result["http1"].(told); sum.Requests != 4 || sum.Failed != 0 || sum.Ms["most"] < 1000 {
		t.Errorf("all: %+v", sum)
	}
	parts := result["parts"].(map[string]any)
	if before := parts["before"].(map[string]told)["http1"]; before.Requests != 3 || before.Ms["most"] >= 1000 {
		t.Errorf("before: %+v", before)
	}
	during := parts["during"].(map[string]told)
	if during["http1"].Requests != 1 || during["slow"].Failed != 1 || during["slow"].Wrong["status 502"] != 1 {
		t.Errorf("during: %+v", during)
	}
	if websocket := during["websocket"]; websocket.Requests != 0 {
		t.Errorf("nothing was asked: %+v", websocket)
	}
}
