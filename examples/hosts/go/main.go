// A host for firstseen rules on wazero, from docs/abi.md: `evaluate`, one call for each event.
//
//	go run . RULE.wasm SETTINGS.json STATE.json < events.ndjson > alerts.ndjson
//
// Without settings or state, these files contain `{}`. Events that could not be evaluated are reported
// on standard error with their line. Alerts are written before the state is saved at the end of the
// input: after a crash the same alerts come again, with the same ids.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

var ctx, state = context.Background(), map[string][]byte{}
var rule struct { // the artifact's metadata (section 9), and the tenant
	Format, Abi int
	Tenant      string
	Rules       []struct{ Key_prefix string }
}

func main() {
	log.SetFlags(0)
	wasm, settings := must(os.ReadFile(os.Args[1])), must(os.ReadFile(os.Args[2]))
	must(0, json.Unmarshal(must(os.ReadFile(os.Args[3])), &state))
	guest, lines := start(wasm, settings), bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20) // a longer event ends the run
	for number := 1; lines.Scan(); number++ {
		var outcome, alerts = map[string]json.RawMessage{}, []json.RawMessage{}      // unchanged bytes
		must(0, json.Unmarshal(call(guest, "evaluate", lines.Bytes(), 0), &outcome)) // 0: no clock
		must(0, json.Unmarshal(outcome["alerts"], &alerts))
		for _, alert := range alerts {
			must(fmt.Printf("%s\n", alert))
		}
		if missing := outcome["missing"]; outcome["error"] != nil || string(missing) != "[]" {
			log.Printf("line %d: %s, missing %s", number, outcome["error"], missing)
		}
	}
	must(0, lines.Err())
	must(0, os.WriteFile(os.Args[3]+".new", must(json.Marshal(state)), 0o600))
	must(0, os.Rename(os.Args[3]+".new", os.Args[3]))
}

func start(wasm, settings []byte) api.Module {
	config := wazero.NewRuntimeConfig().WithCustomSections(true).WithMemoryLimitPages(3072)
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	module := must(runtime.CompileModule(ctx, wasm))
	for _, section := range module.CustomSections() {
		if section.Name() == "firstseen.rules" {
			must(0, json.Unmarshal(section.Data(), &rule))
		}
	}
	rule.Tenant = "default"
	must(0, json.Unmarshal(settings, &rule))
	imports := runtime.NewHostModuleBuilder("firstseen_v1").NewFunctionBuilder()
	imports = imports.WithFunc(kvGet).Export("kv_get").NewFunctionBuilder()
	imports = imports.WithFunc(kvCas).Export("kv_cas").NewFunctionBuilder()
	must(imports.WithFunc(func(level, text, size uint32) {}).Export("log").Instantiate(ctx))
	guest := must(runtime.InstantiateModule(ctx, module, wazero.NewModuleConfig()))
	version := must(guest.ExportedFunction("abi_version").Call(ctx))[0]
	ensure(rule.Format == 1 && rule.Abi == 1 && version == 1, "no rule, or it needs a newer host")
	ensure(string(call(guest, "configure", settings)) == "{}", "the settings cannot be used")
	return guest
}

// call passes input to an export and copies the packed result (section 2).
func call(guest api.Module, name string, input []byte, more ...uint64) []byte {
	at := must(guest.ExportedFunction("alloc").Call(ctx, uint64(len(input))))[0]
	ensure(at != 0 && guest.Memory().Write(uint32(at), input), "the rule has no room")
	parameters := append([]uint64{at, uint64(len(input))}, more...)
	packed := must(guest.ExportedFunction(name).Call(ctx, parameters...))[0]
	answer := part(guest, uint32(packed>>32), uint32(packed))
	must(guest.ExportedFunction("reset").Call(ctx))
	return answer
}

// part copies bytes of the rule's memory, which is not trusted.
func part(guest api.Module, at, size uint32) []byte {
	view, inside := guest.Memory().Read(at, size)
	ensure(inside, "the rule names bytes outside of its memory")
	return bytes.Clone(view)
}

func ownKey(guest api.Module, at, size uint32) string {
	key, own := string(part(guest, at, size)), false
	for _, one := range rule.Rules {
		own = own || strings.HasPrefix(key, rule.Tenant+":"+one.Key_prefix)
	}
	ensure(own && size <= 256, "the rule asks for a key that is not its own")
	return key
}

func kvGet(_ context.Context, guest api.Module, key, keySize, buf, room uint32) int32 {
	value, found := state[ownKey(guest, key, keySize)]
	if !found {
		return -1
	}
	ensure(len(value) > int(room) || guest.Memory().Write(buf, value), "no room for a value")
	return int32(len(value))
}

// kvCas: nothing else writes to this state, so a conflict would be an error of the rule.
func kvCas(_ context.Context, guest api.Module, key, keySize, old, oldSize, new, newSize uint32, ttl int64, buf, room uint32) int32 {
	name := ownKey(guest, key, keySize)
	now, found := state[name]
	same := !found && int32(oldSize) == -1 || found && bytes.Equal(now, part(guest, old, oldSize))
	ensure(same && newSize <= 512 && ttl > 0, "the rule may not write that")
	state[name] = part(guest, new, newSize)
	return 0
}

func ensure(right bool, text string) {
	if !right {
		log.Fatal(text)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
