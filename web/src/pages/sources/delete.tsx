/** The deletion of a source, for which its name is written. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { client, load } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { Field, Form } from "../../components/form";
import { format, plural, sum } from "../../components/severity";
import { kindOfSource, nameSource } from "../../sources";
import type { SourceRow } from "./report";

export function DeleteSource({ row, onClose }: { row: SourceRow; onClose: () => void }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [text, setText] = useState("");
  const name = nameSource(row);
  const findings = row.findings === null ? "its findings" : `${plural(sum(row.findings), "open finding")}`;
  const remove = () => load(client.DELETE("/api/v1/sources/{source}", { params: { path: { source: row.id } } }));
  const leave = () => {
    navigate("/sources");
    void queries.invalidateQueries();
  };
  return (
    <Dialog title={`Delete ${name}`} onClose={onClose}>
      <p>
        The {kindOfSource(row)}, {findings} with their history, {plural(row.scans, "report")}, and those of its {format(row.images)} images that no other source has are removed. This cannot be undone. A later
        report makes a new source.
      </p>
      <Form action="Delete the source" change={remove} onDone={leave} isDanger isDisabled={text !== name}>
        <Field label={`Write the name to confirm: ${name}`} autoFocus autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} />
      </Form>
    </Dialog>
  );
}
