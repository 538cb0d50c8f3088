/** The link to a list as CSV: all its rows, with the filters and the order of the page. */
type Values = Record<string, string | number | boolean | readonly (string | number)[] | undefined>;

/** Return the address of a list as CSV. values: filters and order of the list. */
export function exportHref(list: string, values: Values): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined && each !== "") query.append(name, String(each));
  const text = query.toString();
  return `/api/v1/exports/${list}${text && `?${text}`}`;
}

export function Export({ href }: { href: string }) {
  return (
    <a className="kk-export" href={href} download>
      Download as CSV
    </a>
  );
}
