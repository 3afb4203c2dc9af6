/** Names of colours. */

export const singleColor = 'Single color';
export const shadesOfColor = 'Shades of a color';
export const fromThresholds = 'From thresholds';
export const invalidRegularExpression = 'Invalid regular expression: it repeats what repeats, in a way that could take minutes for one text';
export const classicPalette = 'Classic palette';
export const classicPaletteBySeriesName = 'Classic palette (by series name)';
export const colorBlindSafe = 'Color blind safe';
export const categoricalNext = 'Categorical Next';
export const categoricalNext2 = 'Categorical Next 2';
export const categoricalNext3 = 'Categorical Next 3';
export const viridis = 'Viridis';
export const magma = 'Magma';
export const plasma = 'Plasma';
export const inferno = 'Inferno';
export const cividis = 'Cividis';
export const greenYellowRed = 'Green-Yellow-Red';
export const redYellowGreen = 'Red-Yellow-Green';
export const blueYellowRed = 'Blue-Yellow-Red';
export const yellowRed = 'Yellow-Red';
export const bluePurple = 'Blue-Purple';
export const yellowBlue = 'Yellow-Blue';
export const blues = 'Blues';
export const reds = 'Reds';
export const greens = 'Greens';
export const purples = 'Purples';
