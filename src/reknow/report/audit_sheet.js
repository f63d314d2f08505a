
"use strict";
// The answers are those of the radio buttons. The browser keeps a copy under the audit's name, where it allows that.
const { audit, header, file } = document.body.dataset;
const pairs = [...document.querySelectorAll(".pair")];
const answerOf = (pair) => pair.querySelector("input:checked")?.value ?? "";
let current = 0;

function kept() {
  try {
    return JSON.parse(localStorage.getItem(audit)) ?? [];
  } catch {
    return [];
  }
}

function keep() {
  try {
    localStorage.setItem(audit, JSON.stringify(pairs.map(answerOf)));
  } catch {
    // Storage is off or full: the answers stay in the page until it is closed.
  }
}

function answer(pair, word) {
  const button = pair.querySelector(`input[value="${word}"]`);
  if (button) button.checked = true;
}

function show(number, scroll) {
  pairs[current].classList.remove("current");
  current = number;
  pairs[current].classList.add("current");
  if (scroll) pairs[current].scrollIntoView({ block: "nearest" });
}

function update() {
  const answered = pairs.filter(answerOf).length;
  const progress = document.querySelector("progress");
  progress.value = answered;
  document.querySelector("output").textContent = `${answered} of ${pairs.length}`;
}

// The next pair without an answer, from the current one on and then from the top; the current one if all have one.
function next() {
  const order = [...pairs.keys()].map((step) => (current + 1 + step) % pairs.length);
  return order.find((number) => !answerOf(pairs[number])) ?? current;
}

function download() {
  const lines = pairs.map((pair) => `${pair.dataset.line}${answerOf(pair)},${audit}`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([[header, ...lines, ""].join("\r\n")], { type: "text/csv" }));
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // On keyboards without Latin letters, the key in the place of the letter.
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace("Key", "").toLowerCase();
  const word = { y: "yes", n: "no", u: "unsure" }[letter];
  if (word) {
    answer(pairs[current], word);
    keep();
    update();
    document.activeElement?.blur();
    show(next(), true);
  } else if (letter === "b" && current > 0) {
    show(current - 1, true);
  }
}

kept().forEach((word, number) => pairs[number] && word && answer(pairs[number], word));
document.querySelectorAll(".bar, .keys").forEach((element) => element.removeAttribute("hidden"));
document.querySelector(".bar button").addEventListener("click", download);
document.addEventListener("keydown", pressed);
pairs.forEach((pair, number) => {
  pair.addEventListener("change", () => { keep(); update(); });
  pair.addEventListener("click", () => show(number, false));
});
update();
show(answerOf(pairs[0]) ? next() : 0, false);
