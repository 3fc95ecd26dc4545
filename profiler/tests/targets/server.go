// An HTTP server that burns CPU time in one function, main.mix, which is inlined into main.burn.
//
// It listens on a port of its own and prints it: "ready PORT".
package main

import (
	"fmt"
	"net"
	"net/http"
)

type app struct{ rounds int }

func mix(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	return x ^ x<<17
}

//go:noinline
func burn(rounds int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < rounds; i++ {
		x = mix(x)
	}
	return x
}

func (a *app) handle(answer http.ResponseWriter, request *http.Request) {
	fmt.Fprintf(answer, "%d\n", burn(a.rounds))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/", (&app{rounds: 1_000_000}).handle)
	fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}
