// Clients of an event stream: each tells the text as it comes, and how it knew the end.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

const largest = 16 << 20 // of a line; a snapshot is one line

func take(event, data string) (over bool) {
	var found struct {
		Content string
		Choices []struct{ Content string }
	}
	if err := json.Unmarshal([]byte(data), &found); err != nil {
		return false
	}
	switch event {
	case "snapshot":
		say(told{"whole": found.Choices[0].Content})
	case "delta":
		say(told{"text": found.Content})
	}
	return event == "completed"
}

// Stops at the answer 204 by itself: only a 200 is valid to it, and anything else is final.
func tmaxmaxStream(url string) string {
	request, _ := http.NewRequest(http.MethodGet, url, nil)
	if token := os.Getenv("HUB_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := tmaxmax.Client{Backoff: tmaxmax.Backoff{InitialInterval: 100 * time.Millisecond}}
	connection := client.NewConnection(request)
	connection.Buffer(nil, largest)
	connection.SubscribeToAll(func(event tmaxmax.Event) { take(event.Type, event.Data) })
	if err := connection.Connect(); err == nil {
		return "completed"
	}
	return "204"
}

// Asks on for ever after a 204, so that it is stopped at `completed`.
func r3labsStream(url string) string {
	context, stop := context.WithCancel(context.Background())
	defer stop()
	client := r3labs.NewClient(url, r3labs.ClientMaxBufferSize(largest))
	if token := os.Getenv("HUB_TOKEN"); token != "" {
		client.Headers["Authorization"] = "Bearer " + token
	}
	client.SubscribeRawWithContext(context, func(event *r3labs.Event) {
		if take(string(event.Event), string(event.Data)) {
			stop()
		}
	})
	return "completed"
}

// Asks on for ever after a 204, so that it is closed at `completed`.
func launchdarklyStream(url string) string {
	if token := os.Getenv("HUB_TOKEN"); token != "" {
		url += "?token=" + token
	}
	stream, err := launchdarkly.SubscribeWithURL(
		url, launchdarkly.StreamOptionInitialRetry(100*time.Millisecond))
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	go func() {
		for range stream.Errors {
		}
	}()
	for event := range stream.Events {
		if take(event.Event(), event.Data()) {
			return "completed"
		}
	}
	return "closed"
}
