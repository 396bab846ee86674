// Clients of OpenAI's interface, told what to do by a JSON object a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	openai "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	other "github.com/sashabaranov/go-openai"
)

const model = "scripted"

// Asks, and says each piece until `enough` says so; the calls' arguments, the usage, what failed.
type asker func(prompt string, enough func() bool) (calls []call, usage []int64, err error)

type call struct{ name, arguments string }

func key() string {
	if found := os.Getenv("HUB_TOKEN"); found != "" {
		return found
	}
	return "no key is asked"
}

func serve(ask asker) {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var order struct{ Do, Prompt string }
		json.Unmarshal(input.Bytes(), &order)
		calls, usage, err := ask(order.Prompt, func() bool { return order.Do == "leave" })
		for _, one := range calls {
			say(told{"tool": one.name, "arguments": json.RawMessage(one.arguments)})
		}
		if usage != nil {
			say(told{"usage": usage})
		}
		if err != nil {
			say(failure(err))
		}
		say(told{"done": true})
	}
}

func failure(err error) told {
	found := told{"error": "error", "words": err.Error()}
	var official *openai.Error
	var others *other.APIError
	if errors.As(err, &official) {
		found["status"], found["code"], found["param"] = official.StatusCode, official.Code, official.Param
	}
	if errors.As(err, &others) {
		found["status"], found["code"] = others.HTTPStatusCode, others.Code
	}
	return found
}

type leaving struct{ http.RoundTripper }

func (l leaving) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Header.Set("Hubbub-Cancel-On-Disconnect", "1")
	return l.RoundTripper.RoundTrip(request)
}

// github.com/sashabaranov/go-openai, which leaves it to its caller to join a call's pieces.
func sashabaranov(hub string) asker {
	config := other.DefaultConfig(key())
	config.BaseURL = hub + "/v1"
	config.HTTPClient = &http.Client{Transport: leaving{http.DefaultTransport}}
	client := other.NewClientWithConfig(config)
	return func(prompt string, enough func() bool) (calls []call, usage []int64, err error) {
		stream, err := client.CreateChatCompletionStream(context.Background(),
			other.ChatCompletionRequest{
				Model:         model,
				Messages:      []other.ChatCompletionMessage{{Role: "user", Content: prompt}},
				StreamOptions: &other.StreamOptions{IncludeUsage: true},
			})
		if err != nil {
			return nil, nil, err
		}
		defer stream.Close()
		for {
			chunk, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return calls, usage, nil
			}
			if err != nil {
				return calls, usage, err
			}
			if chunk.Usage != nil {
				usage = []int64{int64(chunk.Usage.PromptTokens), int64(chunk.Usage.CompletionTokens)}
			}
			for _, choice := range chunk.Choices {
				for _, piece := range choice.Delta.ToolCalls {
					for len(calls) <= *piece.Index {
						calls = append(calls, call{})
					}
					calls[*piece.Index].name += piece.Function.Name
					calls[*piece.Index].arguments += piece.Function.Arguments
				}
				if choice.Delta.Content == "" {
					continue
				}
				say(told{"text": choice.Delta.Content})
				if enough() {
					return nil, nil, nil
				}
			}
		}
	}
}

// github.com/openai/openai-go with its accumulator.
func official(hub string) asker {
	client := openai.NewClient(
		option.WithBaseURL(hub+"/v1"), option.WithAPIKey(key()), option.WithMaxRetries(0),
		option.WithHeader("Hubbub-Cancel-On-Disconnect", "1"))
	return func(prompt string, enough func() bool) (calls []call, usage []int64, err error) {
		stream := client.Chat.Completions.NewStreaming(context.Background(),
			openai.ChatCompletionNewParams{
				Model:    model,
				Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)},
				StreamOptions: openai.ChatCompletionStreamOptionsParam{
					IncludeUsage: openai.Bool(true),
				},
			})
		defer stream.Close()
		whole := openai.ChatCompletionAccumulator{}
		for stream.Next() {
			chunk := stream.Current()
			whole.AddChunk(chunk)
			for _, choice := range chunk.Choices {
				if choice.Delta.Content == "" {
					continue
				}
				say(told{"text": choice.Delta.Content})
				if enough() {
					return nil, nil, nil
				}
			}
		}
		if err := stream.Err(); err != nil {
			return nil, nil, err
		}
		for _, one := range whole.Choices[0].Message.ToolCalls {
			calls = append(calls, call{one.Function.Name, one.Function.Arguments})
		}
		return calls, []int64{whole.Usage.PromptTokens, whole.Usage.CompletionTokens}, nil
	}
}
