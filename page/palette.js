// A colour for each slot. Independent of the page.

// OKLCH: lightness, chroma, hue. Found by search: of any two, also as protanopes,
// deuteranopes and tritanopes see them, the OKLab distance is 0.09 or more, and each
// has a contrast of 3:1 or more with the page.
const first = {
  light: [
    [0.65, 0.18, 251], [0.48, 0.08, 61], [0.55, 0.09, 171], [0.67, 0.15, 346], [0.39, 0.13, 284],
    [0.66, 0.15, 115], [0.39, 0.1, 33], [0.55, 0.18, 306], [0.47, 0.08, 213], [0.57, 0.12, 119],
  ],
  dark: [
    [0.71, 0.12, 258], [0.78, 0.08, 64], [0.91, 0.14, 168], [0.69, 0.11, 355], [0.61, 0.19, 268],
    [0.67, 0.14, 112], [0.58, 0.12, 19], [0.58, 0.12, 313], [0.82, 0.09, 227], [0.9, 0.17, 123],
  ],
};
const lightnesses = { light: [0.4, 0.52, 0.62, 0.46, 0.57], dark: [0.62, 0.74, 0.86, 0.68, 0.8] };

/** "#rrggbb" of a slot in the scheme "light" or "dark". From slot 10 on, hues advance by the golden angle. */
export function colour(slot, scheme) {
  const known = first[scheme][slot];
  if (known) return hex(known);
  return hex([lightnesses[scheme][slot % 5], 0.11, (slot * 137.508) % 360]);
}

function hex(oklch) {
  const byte = (part) => Math.round(255 * gamma(Math.min(1, Math.max(0, part))));
  return `#${linear(oklch).map((part) => byte(part).toString(16).padStart(2, "0")).join("")}`;
}

/** OKLCH -> linear sRGB (Björn Ottosson, "A perceptual color space for image processing", 2020). */
function linear([lightness, chroma, hue]) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function gamma(part) {
  return part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055;
}
