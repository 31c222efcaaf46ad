// The epochs of a run as they come, and the charts of them.

import { lines } from "./lines.js";
import { t } from "./text.js";
import { column, mark, value } from "./words.js";

/** Epochs that grow: `take(answer)` adds those of an answer, `query()` asks for what comes after them. */
export function epochsOf(run) {
  const kept = { token: "", columns: [], rows: [] };
  return {
    query: () => ({ run, after: kept.rows.length, token: kept.token }),
    take({ token, columns, from, rows }) {
      if (token !== kept.token || from !== kept.rows.length) kept.rows = from === 0 ? [] : kept.rows.slice(0, from);
      Object.assign(kept, { token, columns });
      kept.rows.push(...rows);
    },
    get columns() { return kept.columns; },
    get rows() { return kept.rows; },
    /** [[epoch, value], …] */
    points(name) {
      const at = kept.columns.indexOf(name), epoch = kept.columns.indexOf("epoch");
      return at < 0 ? [] : kept.rows.map((row) => [row[epoch], row[at]]);
    },
  };
}

const CHARTS = [["chart.loss", ["val_loss", "loss"], false], ["chart.accuracy", ["val_accuracy", "accuracy"], false], ["column.learning_rate", ["learning_rate"], true]];

/** Loss, accuracy and learning rate of one run; validation where there is one. */
export function charts() {
  const made = CHARTS.map(([title, names, log]) => ({ names, chart: lines({ title: t(title), across: t("column.epoch"), format: (y) => value(names[0], y), marks: (step) => mark(names[0], step), log }) }));
  return {
    elements: made.map(({ chart }) => chart.element),
    show(epochs) {
      for (const { names, chart } of made) {
        const series = names.map((name, at) => ({ name: column(name), points: epochs.points(name), tone: at, dashed: at === 1 }));
        chart.show(series.filter((one) => one.points.some(([, y]) => y !== null)));
      }
    },
  };
}
