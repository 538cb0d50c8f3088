/** Downloads of what images contain (SBOM), and of the status of their vulnerabilities (VEX). */
const FORMATS = [
  ["sbom", "cyclonedx", "SBOM, CycloneDX"],
  ["sbom", "spdx", "SBOM, SPDX"],
  ["vex", "openvex", "VEX, OpenVEX"],
  ["vex", "cyclonedx", "VEX, CycloneDX"],
] as const;

/** path: of the object below `/api/v1`, `sources/1`. */
export function SoftwareDocuments({ path }: { path: string }) {
  return (
    <ul className="kk-buttons kk-documents" aria-label="Downloads">
      {FORMATS.map(([kind, format, label]) => (
        <li key={label}>
          <a href={`/api/v1/${path}/${kind}?format=${format}`} download>
            {label}
          </a>
        </li>
      ))}
    </ul>
  );
}
