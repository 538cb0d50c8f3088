module kubekeep.test/benchmarks/grype

go 1.26.3

require github.com/anchore/grype v0.118.0
