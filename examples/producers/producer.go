// An answer of one's own, said line by line, from Go.
//
//	go run examples/producers/producer.go "Why is the sea salty?"
//
// With OPENAI_BASE_URL (and OPENAI_API_KEY, HUB_MODEL) it pipes that provider's answer through.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	hub := setting("HUB_URL", "http://127.0.0.1:8000")
	question := "Why is the sea salty?"
	if len(os.Args) > 1 {
		question = os.Args[1]
	}

	var begun struct{ Page, Deltas string }
	asked := map[string]string{"producer": "client", "prompt": question}
	answered := post(hub+"/generations", "application/json", encoded(asked), os.Getenv("HUB_TOKEN"))
	if err := json.NewDecoder(answered).Decode(&begun); err != nil {
		log.Fatal(err)
	}
	fmt.Println(hub + begun.Page)

	var sent io.Reader
	if os.Getenv("OPENAI_BASE_URL") != "" {
		sent = post(hub+begun.Deltas, "text/event-stream", ask(question), os.Getenv("HUB_TOKEN"))
	} else {
		sent = post(hub+begun.Deltas, "application/x-ndjson", answer(), os.Getenv("HUB_TOKEN"))
	}
	io.Copy(os.Stdout, sent)
}

// answer returns lines that come into being while they are read.
func answer() io.Reader {
	reader, writer := io.Pipe()
	go func() {
		lines := json.NewEncoder(writer)
		for _, word := range []string{"The ", "sea ", "is ", "salty."} {
			lines.Encode(map[string]string{"content": word})
			time.Sleep(100 * time.Millisecond) // it thinks
		}
		lines.Encode(map[string]any{"completed": map[string]any{}})
		writer.Close()
	}()
	return reader
}

func ask(question string) io.Reader {
	body := encoded(map[string]any{
		"model":    setting("HUB_MODEL", "gpt-4o-mini"),
		"stream":   true,
		"messages": []map[string]string{{"role": "user", "content": question}},
	})
	url := os.Getenv("OPENAI_BASE_URL") + "/chat/completions"
	return post(url, "application/json", body, os.Getenv("OPENAI_API_KEY"))
}

// post returns the body of the answer, while it comes. A hub with keys needs a token.
func post(url, kind string, body io.Reader, token string) io.Reader {
	request, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode >= 300 {
		words, _ := io.ReadAll(answer.Body)
		log.Fatalf("%s: %s", answer.Status, words)
	}
	return answer.Body
}

func encoded(value any) io.Reader {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return bytes.NewReader(text)
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
