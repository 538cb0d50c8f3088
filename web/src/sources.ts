/** Names of clusters, repositories and registries for people. */
interface Named {
  key: string;
  branch: string;
  document?: unknown;
}

/** Return the name of a source: of a cluster the one that it reports, of a repository the address with the branch. */
export function nameSource({ key, branch, document }: Named): string {
  const name = (document as { name?: string } | undefined)?.name;
  const text = name || key.replace(/^[a-z]+\//, "").replace(/\/\/$/, "");
  return branch ? `${text} (${branch})` : text;
}

/** Return the kind of a source: cluster, repository or registry. */
export function kindOfSource({ key }: { key: string }): string {
  return key.slice(0, key.indexOf("/"));
}

/** Return the namespace and the name of a subject. */
export function nameSubject({ namespace, name }: { namespace: string; name: string }): string {
  return namespace ? `${namespace}/${name}` : name;
}
