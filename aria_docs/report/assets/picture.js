// ---- a place on a page's picture

/** The part of a page's picture around a box, with the box drawn in it. */
const crop = (src, box) => {
  const [x, y, w, h] = ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)));
  const [, , pageWidth, pageHeight] = box.ownerSVGElement.getAttribute("viewBox").split(" ").map(Number);
  return cropped(src, { x, y, w, h, pageWidth, pageHeight });
};
const cropped = (src, { x, y, w, h, pageWidth, pageHeight }) => {
  const [wide, high] = [Math.min(pageWidth, Math.max(w + 120, 240)), Math.min(pageHeight, Math.max(h + 40, 80))];
  const left = Math.max(0, Math.min(pageWidth - wide, x + w / 2 - wide / 2));
  const top = Math.max(0, Math.min(pageHeight - high, y + h / 2 - high / 2));
  const picture = drawing("svg", { viewBox: `${left} ${top} ${wide} ${high}` });
  picture.append(
    drawing("image", { href: src, x: 0, y: 0, width: pageWidth, height: pageHeight, preserveAspectRatio: "none" }),
    drawing("rect", { x, y, width: w, height: h, class: "ring" }),
  );
  return picture;
};
