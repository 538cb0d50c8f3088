// Package main is the program in containers of tests: it waits for its end, or serves or fetches a page by HTTP.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const timeout = 3 * time.Second

func main() {
	go func() {
		// The first process of a container ends only on signals that it handles.
		end := make(chan os.Signal, 1)
		signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
		<-end
		os.Exit(0)
	}()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		select {}
	}
	if len(arguments) != 2 {
		return fmt.Errorf("use: container [serve ADDRESS | fetch URL]")
	}
	if arguments[0] == "serve" {
		return serve(arguments[1])
	}
	return fetch(arguments[1])
}

func serve(address string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		fmt.Fprintln(response, name, request.URL.Path)
	})
	server := &http.Server{Addr: address, ReadHeaderTimeout: timeout}
	return server.ListenAndServe()
}

func fetch(url string) error {
	client := &http.Client{Timeout: timeout}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
