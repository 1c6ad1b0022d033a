/** Performance profiles as stairs. */

import * as Plot from '@observablehq/plot';
import { type Profile, profileAt, widest } from '../analysis/profile.ts';
import { share, spread } from './axes.ts';
import { lookOf, palette } from './palette.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** Corners of the stairs of a profile, from factor 1 to the widest. */
function stairs(profile: Profile): { factor: number; part: number }[] {
  const steps = profile.ratios.filter((ratio) => ratio > 1 && ratio < widest);
  return [1, ...steps, widest].map((factor) => ({ factor, part: profileAt(profile, factor) }));
}

/** Draws profiles, 360 pixels wide. */
export function drawProfiles(profiles: readonly Profile[], description: string): Drawing {
  const [height, top, bottom] = [232, 10, 34];
  const axis = { type: 'linear', domain: [0, 1.04], ticks: undefined } as const;
  const inner = height - top - bottom;
  const ends = profiles.map((profile) => inner * (1 - share(axis, profileAt(profile, widest))));
  const places = spread(ends, 13.5, inner);
  const longest = Math.max(...profiles.map(({ name }) => lookOf(name).name.length));
  return drawPlot({
    width: 360,
    height,
    marginTop: top,
    marginBottom: bottom,
    marginLeft: 46,
    marginRight: 14 + 6 * longest,
    ariaLabel: description,
    x: {
      domain: [1, widest],
      ticks: [1, 2, 3, 4],
      tickFormat: (factor: number) => `${factor}×`,
      label: 'steps, by the fewest of any',
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 4,
    },
    y: { domain: axis.domain, ticks: 5, tickFormat: '.0%', tickSize: 0, label: null },
    marks: [
      Plot.gridY({ ticks: 5, stroke: palette.line, strokeOpacity: 0.7, strokeWidth: 0.8 }),
      ...profiles.flatMap((profile, i) => {
        const { name, color, ink } = lookOf(profile.name);
        return [
          Plot.line(stairs(profile), {
            x: 'factor',
            y: 'part',
            curve: 'step-after',
            stroke: color,
            strokeWidth: 1.8,
          }),
          Plot.text([name], {
            frameAnchor: 'top-right',
            textAnchor: 'start',
            dx: 7,
            dy: (places[i] as number) - 5,
            fill: ink,
            fontSize: 11,
          }),
        ];
      }),
    ],
  });
}
