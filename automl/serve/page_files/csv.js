// Delimited text for a look at it: cells by row; the service reads the file itself.

const MARKS = [",", ";", "\t", "|"];

/** The mark that the first lines are split at most evenly by. */
export function delimiterOf(text) {
  const lines = text.slice(0, 20_000).split(/\r?\n/).filter(Boolean).slice(0, 10);
  const counts = MARKS.map((mark) => {
    const found = lines.map((line) => line.replace(/"[^"]*"/g, "").split(mark).length - 1);
    return found.length && found.every((count) => count === found[0]) ? 10 * found[0] : found[0] ?? 0;
  });
  const best = Math.max(...counts, 0);
  return best > 0 ? MARKS[counts.indexOf(best)] : ",";
}

/** At most `most` rows of cells. */
export function parse(text, most = Infinity, mark = delimiterOf(text)) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const end = () => {
    row.push(cell);
    cell = "";
  };
  const line = () => {
    end();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  const whole = text.startsWith("\ufeff") ? text.slice(1) : text;
  for (let i = 0; i < whole.length && rows.length < most; i += 1) {
    const letter = whole[i];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (whole[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === mark) end();
    else if (letter === "\n") line();
    else if (letter !== "\r") cell += letter;
  }
  if (rows.length < most && (cell !== "" || row.length)) line();
  return rows;
}
