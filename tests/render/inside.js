// Every text of a picture that stands outside the picture, or outside the box that it belongs to.
() => {
  const within = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 &&
    inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const wrong = [];
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (!within(box, frame)) wrong.push(`outside: ${text.textContent}`);
      // What stands on an arrow belongs to no box; of boxes behind each other the last is in front.
      const boxes = text.classList.contains("shape") ? [] :
        [...(text.closest(".node, .position")?.querySelectorAll(":scope > rect") ?? [])];
      const own = boxes.at(-1)?.getBoundingClientRect();
      if (own && !within(box, own)) wrong.push(`not in its box: ${text.textContent}`);
    }
  }
  return wrong;
}
