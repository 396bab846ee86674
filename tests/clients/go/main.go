// Clients in Go as processes: `NAME HUB GENERATION` listens, `NAME HUB FACE` asks as its input says.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

type told map[string]any

func say(what told) {
	line, _ := json.Marshal(what)
	fmt.Println(string(line))
}

func main() {
	name, hub, third := os.Args[1], os.Args[2], os.Args[3]
	streams := map[string]func(string) string{
		"tmaxmax":      tmaxmaxStream,
		"r3labs":       r3labsStream,
		"launchdarkly": launchdarklyStream,
	}
	if listen, found := streams[name]; found {
		say(told{"end": listen(hub + "/generations/" + third + "/events")})
		return
	}
	askers := map[string]asker{"go-openai": sashabaranov(hub), "openai-go": official(hub)}
	serve(askers[name])
}
