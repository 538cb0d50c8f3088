/** Names of clusters, repositories and registries for people. */

/** Return the name of a source, of a repository with its branch. */
export function nameSource({ name, branch }: { name: string; branch: string }): string {
  return branch ? `${name} (${branch})` : name;
}

/** Return the kind of a source: cluster, repository or registry. */
export function kindOfSource({ key }: { key: string }): string {
  return key.split("/")[0] ?? "";
}

/** Return the namespace and the name of a subject. */
export function nameSubject({ namespace, name }: { namespace: string; name: string }): string {
  return namespace ? `${namespace}/${name}` : name;
}
