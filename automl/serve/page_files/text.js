// Texts and numbers for people. Names and cells are only ever set as text, never as HTML.

const NO_TEXT = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/gu;
const DAY = 86_400_000;

/** `text` on one line without characters that turn or hide it, cut where it is long. */
export function shown(text, longest = 60) {
  const part = String(text)
    .slice(0, 4 * longest)
    .replace(/\s/gu, " ")
    .replace(NO_TEXT, "");
  const letters = [...part];
  const cut = letters.length > longest ? `${letters.slice(0, longest - 1).join("")}…` : part;
  return cut.trim() ? cut : "(blank)";
}

/** A number in so many significant digits; whole thousands are never cut. */
export function number(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  return written(value, digits).replace("-", "−");
}

function written(value, digits) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(digits - 1);
  const whole = size >= 10 ** (digits - 1);
  return value.toLocaleString(
    "en",
    whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits },
  );
}

export function signed(value, digits = 3) {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value), digits)}`;
}

/** A number in few letters, for axes. */
export function short(value) {
  const size = Math.abs(value);
  for (const [least, by, letter] of [
    [1e9, 1e9, "G"],
    [1e6, 1e6, "M"],
    [1e4, 1e3, "k"],
  ]) {
    if (size >= least) return `${+(value / by).toPrecision(3)}${letter}`.replace("-", "−");
  }
  return `${+value.toPrecision(4)}`.replace("-", "−");
}

/** 12.3 %: ends of the scale keep a digit that says on which side they are. */
export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "<0.1 %";
  if (value < 100 && value > 99.9) return ">99.9 %";
  return `${value.toFixed(value < 10 || value > 90 ? 1 : 0).replace(/\.0$/, "")} %`;
}

/** Days since 1970-01-01 as ISO text, with the time of day where `clock` is asked for. */
export function dayText(days, clock = false) {
  const date = new Date(Math.round((days * DAY) / 1000) * 1000);
  if (Number.isNaN(date.getTime())) return "";
  return date.toISOString().slice(0, clock ? 16 : 10);
}

/** The days of an ISO text, NaN if it is none. */
export function daysOf(text) {
  const found = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?$/.exec(text);
  return found ? Date.parse(found[1] ? `${text}Z` : `${text}T00:00Z`) / DAY : NaN;
}

export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a cell of a row is called in a sentence. */
export function cellText(value, longest = 24) {
  if (value === null || value === undefined || value === "") return "missing";
  return typeof value === "number" ? number(value, 6) : shown(value, longest);
}
