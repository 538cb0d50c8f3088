/** The queries of a vulnerability: its definition, the first workloads that run it, and the first images with it. */
import { client, load } from "../../api/client";
import { pagesQuery } from "../../components/list";

const LENGTH = 100;

export function definitionQuery(identifier: string) {
  return {
    queryKey: ["vulnerability", identifier],
    queryFn: () => load(client.GET("/api/v1/vulnerabilities/{identifier}", { params: { path: { identifier } } })),
  };
}

export function workloadsQuery(identifier: string) {
  return pagesQuery(["vulnerability workloads", identifier], (cursor) =>
    load(client.GET("/api/v1/vulnerabilities/{identifier}/workloads", { params: { path: { identifier }, query: { cursor, limit: LENGTH } } })),
  );
}

export function imagesQuery(identifier: string) {
  return pagesQuery(["vulnerability images", identifier], (cursor) =>
    load(client.GET("/api/v1/vulnerabilities/{identifier}/images", { params: { path: { identifier }, query: { cursor, limit: LENGTH } } })),
  );
}
