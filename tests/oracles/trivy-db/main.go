// A database of Trivy, written with its own library: `trivy-db FOLDER TIME < LINES` writes trivy.db and metadata.json.
//
// Each line is a JSON object: {"source": PLATFORM, "value": DATA_SOURCE}, {"vulnerability": ID, "value": VULNERABILITY},
// {"cpe": NUMBER, "name": CPE}, {"redhat": PACKAGE, "id": ID, "value": ADVISORY} or
// {"platform": PLATFORM, "package": NAME, "id": ID, "value": ADVISORY}.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
	redhat "github.com/aquasecurity/trivy-db/pkg/vulnsrc/redhat-oval"
)

type line struct {
	Source        string          `json:"source"`
	Vulnerability string          `json:"vulnerability"`
	CPE           *int            `json:"cpe"`
	Name          string          `json:"name"`
	RedHat        string          `json:"redhat"`
	Platform      string          `json:"platform"`
	Package       string          `json:"package"`
	ID            string          `json:"id"`
	Value         json.RawMessage `json:"value"`
}

func main() {
	folder := os.Args[1]
	updated, err := time.Parse(time.RFC3339, os.Args[2])
	check(err)
	check(db.Init(folder))
	defer db.Close()
	config := db.Config{}
	check(config.BatchUpdate(func(tx *bbolt.Tx) error {
		reader := bufio.NewScanner(os.Stdin)
		reader.Buffer(nil, 16<<20)
		for reader.Scan() {
			var each line
			if err := json.Unmarshal(reader.Bytes(), &each); err != nil {
				return err
			}
			if err := write(config, tx, each); err != nil {
				return err
			}
		}
		return reader.Err()
	}))
	check(metadata.NewClient(filepath.Clean(folder)).Update(metadata.Metadata{
		Version: db.SchemaVersion, UpdatedAt: updated, NextUpdate: updated.Add(24 * time.Hour), DownloadedAt: updated,
	}))
}

func write(config db.Config, tx *bbolt.Tx, each line) error {
	switch {
	case each.Source != "":
		var source types.DataSource
		if err := json.Unmarshal(each.Value, &source); err != nil {
			return err
		}
		return config.PutDataSource(tx, each.Source, source)
	case each.Vulnerability != "":
		var vulnerability types.Vulnerability
		if err := json.Unmarshal(each.Value, &vulnerability); err != nil {
			return err
		}
		if err := config.PutVulnerabilityID(tx, each.Vulnerability); err != nil {
			return err
		}
		return config.PutVulnerability(tx, each.Vulnerability, vulnerability)
	case each.CPE != nil:
		return config.PutRedHatCPEs(tx, *each.CPE, each.Name)
	case each.RedHat != "":
		var advisory redhat.Advisory
		if err := json.Unmarshal(each.Value, &advisory); err != nil {
			return err
		}
		return config.PutAdvisory(tx, []string{"Red Hat", each.RedHat}, each.ID, &advisory)
	}
	var several types.Advisories
	if err := json.Unmarshal(each.Value, &several); err != nil {
		return err
	}
	if len(several.Entries) > 0 {
		return config.PutAdvisory(tx, []string{each.Platform, each.Package}, each.ID, &several)
	}
	var advisory types.Advisory
	if err := json.Unmarshal(each.Value, &advisory); err != nil {
		return err
	}
	return config.PutAdvisory(tx, []string{each.Platform, each.Package}, each.ID, &advisory)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
