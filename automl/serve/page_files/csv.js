// Delimited text for a look at it: cells by row; the service reads the file itself.

const MARKS = [",", ";", "\t", "|"];

/** The mark that the first lines are split at most evenly by. */
export function delimiterOf(text) {
  const lines = text.slice(0, 20_000).split(/\r?\n/).filter(Boolean).slice(0, 10);
  const counts = MARKS.map((mark) => {
    const found = lines.map((line) => line.replace(/"[^"]*"/g, "").split(mark).length - 1);
    return found.length && found.every((count) => count === found[0])
      ? 10 * found[0]
      : (found[0] ?? 0);
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

/** A cell of a CSV file. */
export function written(value) {
  const text = String(value);
  return /[",\n\r;\t|]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A cell of the form as the files of a column have it. */
export function asFile(column, value) {
  const decimal = column.formats.decimal ?? ".";
  return typeof value === "number" ? String(value).replace(".", decimal) : (value ?? "");
}

/** The text of a file as the form holds it: numbers and ISO dates where they can be read. */
export function fromFile(column, text) {
  const cell = text.trim();
  if (cell === "") return null;
  if (column.kind === "numeric") {
    const value = numberOf(column.formats, cell);
    return Number.isFinite(value) ? value : cell;
  }
  return column.kind === "datetime" ? (isoOf(column.formats.formats ?? [], cell) ?? cell) : cell;
}

function numberOf({ decimal = ".", thousands = "", prefixes = [], suffixes = [] }, text) {
  let left = text;
  for (const affix of [...prefixes, ...suffixes]) left = left.replace(affix, "");
  if (thousands) left = left.replaceAll(thousands, "");
  return Number(left.replaceAll(/\s/g, "").replace(decimal, "."));
}

const DIGITS = {
  Y: "\\d{4}",
  m: "\\d{1,2}",
  d: "\\d{1,2}",
  H: "\\d{1,2}",
  M: "\\d{2}",
  S: "\\d{2}",
};

/** The date by the first format of digits that fits; undefined if none does. */
function isoOf(formats, text) {
  for (const format of formats) {
    const parts = [];
    const shape = format
      .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
      .replace(/%([YmdHMS])/g, (_, part) => {
        parts.push(part);
        return `(${DIGITS[part]})`;
      });
    const match = new RegExp(`^${shape}$`).exec(text);
    if (!match || !["Y", "m", "d"].every((part) => parts.includes(part))) continue;
    const at = (part) => (match[parts.indexOf(part) + 1] ?? "00").padStart(2, "0");
    const clock = parts.includes("H") ? `T${at("H")}:${parts.includes("M") ? at("M") : "00"}` : "";
    return `${at("Y")}-${at("m")}-${at("d")}${clock}`;
  }
  return undefined;
}
