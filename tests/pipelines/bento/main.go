// Command bento is Bento with the parts that the configurations in
// docs/pipelines/redpanda-connect use. It is built only for these tests; users have the complete Bento.
package main

import (
	"context"

	"github.com/warpstreamlabs/bento/public/service"

	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	_ "github.com/warpstreamlabs/bento/public/components/redis"
	_ "github.com/warpstreamlabs/bento/public/components/wasm"
)

func main() {
	service.RunCLI(context.Background())
}
