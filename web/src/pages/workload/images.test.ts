import { expect, test } from "vitest";
import { shortenPurl } from "./images";

test.each([
  ["pkg:deb/debian/openssl@3.0.11-1~deb12u2?arch=amd64&distro=debian-12", "debian/openssl 3.0.11-1~deb12u2"],
  ["pkg:npm/%40angular/core@16.0.0", "@angular/core 16.0.0"],
  ["pkg:npm/@angular/core", "@angular/core"],
  ["pkg:rpm/redhat/bash@1%3A5.1#path", "redhat/bash 1:5.1"],
  ["pkg:npm/100%@1", "100% 1"],
  ["no package", "no package"],
  ["", ""],
])("the package URL %s is %s", (purl, text) => {
  expect(shortenPurl(purl)).toBe(text);
});
