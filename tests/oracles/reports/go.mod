module kubekeep.test/oracles/reports

go 1.24.0

require (
	github.com/prometheus/common v0.67.5
	github.com/yuin/goldmark v1.7.13
)

require (
	github.com/kr/pretty v0.3.1 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	go.yaml.in/yaml/v2 v2.4.3 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)
