// Runs the WASI program in wazero.
//
// In: a module, a folder that is opened as "state" (or "-"), arguments. The program uses the standard
// streams of this process. Out: the program's exit status.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

func run(file, folder string, args []string) error {
	wasm, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	ctx := context.Background()
	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	config := wazero.NewModuleConfig().WithArgs(append([]string{"rule"}, args...)...).
		WithStdin(os.Stdin).WithStdout(os.Stdout).WithStderr(os.Stderr)
	if folder != "-" {
		config = config.WithFSConfig(wazero.NewFSConfig().WithDirMount(folder, "state"))
	}
	_, err = runtime.InstantiateWithConfig(ctx, wasm, config)
	return err
}

func main() {
	err := run(os.Args[1], os.Args[2], os.Args[3:])
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		os.Exit(int(exit.ExitCode()))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
