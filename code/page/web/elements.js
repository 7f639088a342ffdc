// Short words for the elements of a page.

/** -> the element with this id */
export function byId(id) {
  return document.getElementById(id);
}

/** -> a new element with these properties and children, elements or text; aria-* are attributes */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** A number as people read it, with a real minus sign. */
export function written(value, digits = 2) {
  return value.toFixed(digits).replace(/^-(?=[0.]+$)/, "").replace("-", "−"); // never −0.00
}

/** Enables or disables a button. If it had the focus, the focus goes to `next`. */
export function disable(button, isDisabled, next) {
  if (isDisabled && document.activeElement === button) next.focus();
  button.disabled = isDisabled;
}
