/** Grafana's colours as facts: hues, palettes and schemes. Hues and stops are hexadecimal digits without the sign, in order. */
import * as english from '../english/fields.ts';

/** Six shades of each hue, light to dark. The dark theme uses the first five, the light theme the last five. */
export const HUES: Record<string, string> = {
  red: 'ffa6b0 ff7383 f2495c e02f44 c4162a ad0317',
  orange: 'ffcb7d ffb357 ff9830 ff780a fa6400 e55400',
  yellow: 'fff899 ffee52 fade2a f2cc0c e0b400 cc9d00',
  green: 'c8f2c2 96d98d 73bf69 56a64b 37872d 19730e',
  blue: 'c0d8ff 8ab8ff 5794f2 3274d9 1f60c4 1250b0',
  purple: 'deb6f2 ca95e5 b877d9 a352cc 8f3bb8 7c2ea3',
};

/** The prefixes of the shades, light to dark. */
export const SHADES = ['super-light-', 'light-', '', 'semi-dark-', 'dark-'] as const;

/** What series are painted with, in turn: names first, then colours of their own. */
const CLASSIC =
  'green semi-dark-yellow blue orange red purple dark-green dark-yellow dark-blue dark-orange dark-red dark-purple ' +
  'super-light-green super-light-yellow super-light-blue super-light-orange super-light-red super-light-purple ' +
  '#447ebc #c15c17 #890f02 #0a437c #6d1f62 #584477 #b7dbab #f4d598 #70dbed #f9ba8f #f29191 #82b5d8 #e5a8e2 #aea2e0 ' +
  '#629e51 #e5ac0e #64b0c8 #e0752d #bf1b00 #0a50a1 #962d82 #614d93 #9ac48a #f2c96d #65c5db #f9934e #ea6460 #5195ce #d683ce #806eb7 ' +
  '#3f6833 #967302 #2f575e #99440a #58140c #052b51 #511749 #3f2b5b #e0f9d7 #fceaca #cffaff #f9e2d2 #fce2de #badff4 #f9d9f9 #dedaf7';

/**
 * How a scheme paints. A `palette` by the series' place, or by its `hash`; with `legible` only colours that stand out from
 * the panel. A `spline` through colours, or `stops` of equal distance, by where the value lies.
 */
export type Scheme =
  | { name: string; palette: string; hash?: true; legible?: true }
  | { name: string; spline: string }
  | { name: string; stops: string };

export const SCHEMES: Record<string, Scheme> = {
  'palette-classic': { name: english.classicPalette, palette: CLASSIC },
  'palette-classic-by-name': { name: english.classicPaletteBySeriesName, palette: CLASSIC, hash: true, legible: true },
  'palette-colorblind': { name: english.colorBlindSafe, legible: true, palette: '#0072b2 #e69f00 #009e73 #cc79a7 #56b4e9 #d55e00 #f0e442 #000000 #ffffff' },
  'palette-categorical-next': {
    name: english.categoricalNext,
    palette: '#d97e9b #ffc554 #41cd94 #64a6d8 #f79cff #e78a5f #c9e1a6 #00cfe3 #9b93df #ffb2be #cea82e #9cf2d6 #8fc3ff #ce84c1 #ffc39d #89c862 #41aec7 #cdb9ff #ef8488 #e7db98 ' +
    '#00d8be #759ee6 #ffb1e1 #ee9941 #baf2b8 #54d3ff #b78ee2 #ff645a #c0bd2f #8ffff6 #b4c7ff #eb85b5 #ffd49f #58db89 #46abde #eabcff #ff8e6f #deed9f #00dfe5 #959df6',
  },
  'palette-categorical-next-2': {
    name: english.categoricalNext2,
    palette: '#63b564 #ded188 #84b1ff #ffdbbc #ffa8aa #c986e6 #ffc4d4 #9bcb35 #d3efff #f8b4d2 #a6b924 #afe8ff #ff97da #aaa720 #81e3fb #f386e2 #ffe397 #84d6e1 #d784df #fed283 ' +
    '#00d4da #f2e7ff #f3c48a #00c9c0 #e4daff #ffac74 #00bea7 #d2cfff #ff9767 #9dffdf #bdc4ff #fe8260 #93f4c5 #a4baff #ea796e #9fe3b3 #74b6ff #ffd8dd #89e04d #3baffe',
  },
  'palette-categorical-next-3': {
    name: english.categoricalNext3,
    palette: '#63b564 #88ddfe #ca94ff #ffd8d3 #cfcb00 #00beb5 #c7d5ff #ff8dc4 #ffe5c7 #9fdcb0 #00bbff #f0d0ff #ffa48b #9bac32 #7ce6e9 #a3abff #ffdae4 #e1c18a #1dc58a #b7dfff ' +
    '#f38efc #ffe7dd #bed997 #00c5d8 #dedcff #ffa4b3 #c79e00 #8bebcc #7dbbff #ffdcf8 #f5bb95 #7dc053 #9beaff #c5adff #ea777e #e0d287 #00ceb5 #d5e4ff #ffa1dc #e88e29',
  },
  'continuous-viridis': { name: english.viridis, stops: '44015448186a472d7b4240863b528b33638d2c728e26828e21918c1fa08828ae803fbc735ec96284d44baddc30d8e219fde725' },
  'continuous-magma': { name: english.magma, stops: '0000040a08221d114736106b51127c6a1c818326819c2e7fb73779d0416fe75263f56b5cfc8961fea772fec488fde2a3fcfdbf' },
  'continuous-plasma': { name: english.plasma, stops: '0d08873105974c02a16600a77e03a89511a1aa2395bc3587cc4778da5a6ae66c5cf0804ef89540fdac33fdc527f8df25f0f921' },
  'continuous-inferno': { name: english.inferno, stops: '0000040b0724210c4a3d096557106e71196e8a226aa32c61bc3754d24644e45a31f1731df98e09fcac11f9cb35f2ea69fcffa4' },
  'continuous-cividis': { name: english.cividis, stops: '002051012b6511366c26426e3c4d6e51586e62646f7270717f7c758c88779a9478a9a177bbaf71cebd68e2cb5cf3da4ffdea45' },
  'continuous-GrYlRd': { name: english.greenYellowRed, spline: 'green yellow red' },
  'continuous-RdYlGr': { name: english.redYellowGreen, spline: 'red yellow green' },
  'continuous-BlYlRd': { name: english.blueYellowRed, spline: 'dark-blue super-light-yellow dark-red' },
  'continuous-YlRd': { name: english.yellowRed, spline: 'super-light-yellow dark-red' },
  'continuous-BlPu': { name: english.bluePurple, spline: 'blue purple' },
  'continuous-YlBl': { name: english.yellowBlue, spline: 'super-light-yellow dark-blue' },
  'continuous-blues': { name: english.blues, spline: 'panel-bg dark-blue' },
  'continuous-reds': { name: english.reds, spline: 'panel-bg dark-red' },
  'continuous-greens': { name: english.greens, spline: 'panel-bg dark-green' },
  'continuous-purples': { name: english.purples, spline: 'panel-bg dark-purple' },
};
