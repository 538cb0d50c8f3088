// A database of bbolt: `bolt FILE COUNT` writes COUNT buckets below the bucket v1, each with the key "digest".
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"

	"go.etcd.io/bbolt"
)

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	database, err := bbolt.Open(os.Args[1], 0o600, &bbolt.Options{PageSize: 4096})
	if err != nil {
		log.Fatal(err)
	}
	defer database.Close()
	// Several transactions, and the deletion of entries between the others, leave free pages behind.
	for start := 0; start < 2*count; start += 500 {
		if err := database.Update(func(tx *bbolt.Tx) error { return write(tx, start, min(start+500, 2*count)) }); err != nil {
			log.Fatal(err)
		}
	}
	if err := database.Update(func(tx *bbolt.Tx) error { return clean(tx, count) }); err != nil {
		log.Fatal(err)
	}
}

func write(tx *bbolt.Tx, start, end int) error {
	root, err := tx.CreateBucketIfNotExists([]byte("v1"))
	if err != nil {
		return err
	}
	for number := start; number < end; number++ {
		bucket, err := root.CreateBucket(fmt.Appendf(nil, "name-%06d", number))
		if err != nil {
			return err
		}
		if err := bucket.Put([]byte("digest"), fmt.Appendf(nil, "digest-%06d", number)); err != nil {
			return err
		}
		// Every tenth bucket is too large for its parent's page.
		if number%10 == 0 {
			if err := bucket.Put([]byte("large"), make([]byte, 6000)); err != nil {
				return err
			}
		}
	}
	return nil
}

func clean(tx *bbolt.Tx, count int) error {
	root := tx.Bucket([]byte("v1"))
	for number := count; number < 2*count; number++ {
		if err := root.DeleteBucket(fmt.Appendf(nil, "name-%06d", number)); err != nil {
			return err
		}
	}
	return nil
}
