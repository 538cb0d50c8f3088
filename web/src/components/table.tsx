/** A short table, all of whose rows are there. On narrow screens its rows become cards, like those of `List`. */
import type { Column } from "./list";

interface Properties<Row> {
  caption: string;
  rows: Row[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string | number;
}

export function Table<Row>({ caption, rows, columns, rowKey }: Properties<Row>) {
  return (
    <table className="pf-v6-c-table pf-m-compact kk-list">
      <caption className="pf-v6-screen-reader">{caption}</caption>
      <thead className="pf-v6-c-table__thead">
        <tr className="pf-v6-c-table__tr">
          {columns.map((column) => (
            <th key={column.title} scope="col" className={`pf-v6-c-table__th kk-${column.kind ?? "plain"}`}>
              {column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="pf-v6-c-table__tbody">
        {rows.map((row) => (
          <tr key={rowKey(row)} className="pf-v6-c-table__tr">
            {columns.map((column) => (
              <td key={column.title} className={`pf-v6-c-table__td kk-${column.kind ?? "plain"}`} data-label={column.title}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
