// A database of Grype, written with its own library: `grype FOLDER < LINES` writes vulnerability.db.
//
// Each line is a JSON object: {"provider": ID, "name": ID, "blob": VULNERABILITY, "packages": [{"ecosystem": TYPE, "name": NAME,
// "system": NAME, "id": NAME, "major": TEXT, "minor": TEXT, "blob": PACKAGE}]}.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
)

type line struct {
	Provider string               `json:"provider"`
	Name     string               `json:"name"`
	Blob     v6.VulnerabilityBlob `json:"blob"`
	Packages []affected           `json:"packages"`
}

type affected struct {
	Ecosystem string         `json:"ecosystem"`
	Name      string         `json:"name"`
	System    string         `json:"system"`
	ID        string         `json:"id"`
	Major     string         `json:"major"`
	Minor     string         `json:"minor"`
	Blob      v6.PackageBlob `json:"blob"`
}

func main() {
	store, err := v6.NewWriter(v6.Config{DBDirPath: os.Args[1]})
	check(err)
	providers := map[string]*v6.Provider{}
	now := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	reader := bufio.NewScanner(os.Stdin)
	reader.Buffer(nil, 16<<20)
	for reader.Scan() {
		var each line
		check(json.Unmarshal(reader.Bytes(), &each))
		provider := providers[each.Provider]
		if provider == nil {
			provider = &v6.Provider{ID: each.Provider, Version: "1", Processor: "test", DateCaptured: &now, InputDigest: "xxh64:0"}
			providers[each.Provider] = provider
			check(store.AddProvider(*provider))
		}
		vulnerability := &v6.VulnerabilityHandle{
			Name: each.Name, Status: v6.VulnerabilityActive, PublishedDate: &now, ModifiedDate: &now,
			ProviderID: each.Provider, Provider: provider, BlobValue: &each.Blob,
		}
		check(store.AddVulnerabilities(vulnerability))
		var handles []*v6.AffectedPackageHandle
		for _, entry := range each.Packages {
			handle := &v6.AffectedPackageHandle{
				VulnerabilityID: vulnerability.ID, Vulnerability: vulnerability, BlobValue: &entry.Blob,
				Package: &v6.Package{Ecosystem: entry.Ecosystem, Name: entry.Name},
			}
			if entry.System != "" {
				handle.OperatingSystem = &v6.OperatingSystem{
					Name: entry.System, ReleaseID: entry.ID, MajorVersion: entry.Major, MinorVersion: entry.Minor,
				}
			}
			handles = append(handles, handle)
		}
		check(store.AddAffectedPackages(handles...))
	}
	check(reader.Err())
	check(store.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
