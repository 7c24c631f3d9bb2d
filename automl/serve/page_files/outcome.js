// What a prediction is as one number, and how that number is written.

import { number, percent, shown, signed } from "./text.js";

export class Outcome extends EventTarget {
  constructor(facts) {
    super();
    this.facts = facts;
    this.classes = facts.classes;
    this.isClass = facts.classes.length > 0;
    this.isMany = facts.classes.length > 2;
    this.chosen = null; // a class that a person looks at; else the predicted one
    this.predicted = null;
  }

  /** The class whose probability, score and reasons are shown; null for a number. */
  get focus() {
    if (!this.isClass) return null;
    return this.isMany ? (this.chosen ?? this.predicted ?? this.classes[0]) : this.facts.positive;
  }

  choose(label) {
    this.chosen = label;
    this.dispatchEvent(new Event("focus"));
  }

  /** The number: a value, or the probability of a class. */
  of(prediction, label = this.focus) {
    return this.isClass ? (prediction.probabilities[label] ?? 0) : prediction.prediction;
  }

  text(value) {
    return this.isClass ? percent(value) : number(value, 4);
  }

  /** A difference between two such numbers. */
  difference(value) {
    if (!this.isClass) return signed(value);
    return `${signed(100 * value, Math.abs(value) < 0.1 ? 2 : 3)} points`;
  }

  /** What the number is, in words. */
  name(longest = 40) {
    if (!this.isClass) return shown(this.facts.target, longest);
    return `probability of ${shown(this.focus, longest)}`;
  }
}
