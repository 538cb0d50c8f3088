/** A short table without pages. */
import type { ReactNode } from "react";

export function Table<Row>({ caption, rows, columns, rowKey }: { caption: string; rows: Row[]; columns: [string, (row: Row) => ReactNode][]; rowKey: (row: Row) => string | number }) {
  return (
    <table className="pf-v6-c-table pf-m-compact kk-list">
      <caption className="pf-v6-screen-reader">{caption}</caption>
      <thead className="pf-v6-c-table__thead">
        <tr className="pf-v6-c-table__tr">
          {columns.map(([title]) => (
            <th key={title} scope="col" className="pf-v6-c-table__th">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="pf-v6-c-table__tbody">
        {rows.map((row) => (
          <tr key={rowKey(row)} className="pf-v6-c-table__tr">
            {columns.map(([title, cell]) => (
              <td key={title} className="pf-v6-c-table__td" data-label={title}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
