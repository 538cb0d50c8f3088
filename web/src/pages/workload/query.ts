/** The query of a workload or another subject, with its findings. */
import { client, load } from "../../api/client";

export function subjectQuery(source: number, subject: string) {
  return {
    queryKey: ["subject", source, subject],
    queryFn: () => load(client.GET("/api/v1/sources/{source}/subjects/{subject}", { params: { path: { source, subject } } })),
  };
}
