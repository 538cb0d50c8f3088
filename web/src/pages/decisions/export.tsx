/** The dialog that downloads the decisions in force as a file for other programs. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { Choose, Field, Form } from "../../components/form";
import { nameSource } from "../../sources";

type Format = Schemas["DecisionFormat"];

const FORMATS: Record<Format, { label: string; help: string }> = {
  exceptions: { label: "Exceptions", help: "Read by kubekeep scan --exceptions and by Kubescape." },
  openvex: { label: "OpenVEX", help: "Decisions on vulnerabilities of some images or packages." },
  cyclonedx: { label: "CycloneDX VEX", help: "Decisions on vulnerabilities of some images or packages." },
  csaf: { label: "CSAF VEX", help: "Decisions on vulnerabilities of some images or packages." },
};
const MOST = 20;

export function ExportDialog({ onClose }: { onClose: () => void }) {
  const [format, setFormat] = useState<Format>("exceptions");
  const [text, setText] = useState("");
  const [omitted, setOmitted] = useState<string[]>();
  const sources = useQuery({
    queryKey: ["sources", "export", text],
    queryFn: () => load(client.GET("/api/v1/sources", { params: { query: { text: text.slice(text.indexOf("/") + 1), limit: MOST } } })),
    placeholderData: (before) => before,
  });
  const start = () => {
    // The status of the last file is wrong as soon as the next one fails.
    setOmitted(undefined);
    return download(format, text.trim());
  };
  return (
    <Dialog title="Export decisions in force" onClose={onClose}>
      <Form action="Download" change={start} onDone={setOmitted}>
        <Choose label="Format" value={format} onChange={(event) => setFormat(event.target.value as Format)} help={FORMATS[format].help}>
          {Object.entries(FORMATS).map(([value, { label }]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Choose>
        <Field label="Source" value={text} onChange={(event) => setText(event.target.value)} list="export-sources" help="Empty: only decisions on all sources" />
        <datalist id="export-sources">
          {sources.data?.rows.map((source) => (
            <option key={source.id} value={source.key}>
              {nameSource(source)}
            </option>
          ))}
        </datalist>
        {omitted && <p role="status">{describe(omitted)}</p>}
      </Form>
    </Dialog>
  );
}

/** Save the file in the browser; return the numbers of the decisions that it does not contain. */
async function download(format: Format, source: string): Promise<string[]> {
  const answer = client.GET("/api/v1/decisions/export", { params: { query: { format, source } }, parseAs: "blob" });
  const blob = (await load(answer)) as Blob;
  const { headers } = (await answer).response;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = /filename="([^"]+)"/.exec(headers.get("Content-Disposition") ?? "")?.[1] ?? "decisions.json";
  link.click();
  URL.revokeObjectURL(link.href);
  return (headers.get("Kubekeep-Omitted") ?? "").split(",").filter(Boolean);
}

function describe(omitted: string[]): string {
  if (!omitted.length) return "The file contains all of them.";
  const numbers = omitted.length === 1 ? `decision ${omitted[0]}` : `decisions ${omitted.join(", ")}`;
  return `The file does not contain ${numbers}: the format cannot express ${omitted.length === 1 ? "it" : "them"}.`;
}
