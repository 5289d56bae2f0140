// Every text on the page whose contrast with what is behind it is below 4.5 : 1, WCAG AA.
() => {
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) =>
    0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
  const within = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 &&
    inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;

  const behind = (element) => {
    const box = element.getBoundingClientRect();
    const filled = [...(element.closest("svg")?.querySelectorAll("rect") ?? [])].filter(
      (rect) => within(box, rect.getBoundingClientRect()) && getComputedStyle(rect).fill !== "none");
    if (filled.length) return numbers(getComputedStyle(filled.at(-1)).fill);
    for (let around = element; around; around = around.parentElement) {
      const colour = numbers(getComputedStyle(around).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };

  const wrong = [];
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = luminance(numbers(element.closest("svg") ? style.fill : style.color));
    const paper = luminance(behind(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) wrong.push(`${ratio.toFixed(2)} ${element.textContent.slice(0, 60)}`);
  }
  return wrong;
}
