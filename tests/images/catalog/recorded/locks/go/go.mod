module example.com/shop

go 1.22.0

require (
	github.com/BurntSushi/toml v1.3.2
	github.com/blang/semver/v4 v4.0.0
	golang.org/x/text v0.14.0
	rsc.io/quote v1.5.2
)

replace golang.org/x/text => golang.org/x/text v0.15.0

replace rsc.io/quote => ./quote
