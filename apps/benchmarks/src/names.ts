/** Names that a user may have mistyped. */

/**
 * Edits that make one text of another: letters added, left out, replaced, or swapped with their neighbour.
 *
 * @see optimal string alignment, https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance
 */
export function editDistance(a: string, b: string): number {
  // rows[i][j]: between the first i letters of a and the first j of b
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [row, above, twoAbove] = [[i], rows[i - 1] as number[], rows[i - 2]];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        twoAbove && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? twoAbove[j - 2] : undefined;
      row.push(
        Math.min(replaced, (above[j] as number) + 1, (row[j - 1] as number) + 1, (swapped ?? Infinity) + 1),
      );
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] as number;
}

/** The known name that is nearest, if less than half of it had to be edited, or it continues the text. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const begun = known.find((each) => lower.length > 2 && each.startsWith(lower));
  const distance = (each: string) => editDistance(lower, each);
  const best = begun ?? [...known].sort((a, b) => distance(a) - distance(b))[0];
  return best !== undefined && (best === begun || distance(best) < best.length / 2) ? best : undefined;
}

/** `Did you mean this? `, or nothing where no known name is near. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? '' : `Did you mean ${near}? `;
}
