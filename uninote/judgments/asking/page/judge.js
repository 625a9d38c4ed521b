"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const key = "uninote-judge-" + data.name;

  // A page that is opened from a disk may be refused a store: then answers last as long as the page.
  const stored = () => {
    try {
      const found = JSON.parse(localStorage.getItem(key));
      return Array.isArray(found) && found.length <= data.pairs.length ? found : [];
    } catch {
      return [];
    }
  };
  const answers = stored();
  const store = () => {
    try {
      localStorage.setItem(key, JSON.stringify(answers));
    } catch {
      // The answers are still in this page.
    }
  };

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.textContent = text;
    return element;
  };
  const fill = (article, id) => {
    const note = data.notes[id];
    const parts = [];
    if (note && note.picture) {
      const picture = document.createElement("img");
      picture.alt = "";
      picture.src = "data:image/jpeg;base64," + note.picture;
      parts.push(picture);
    }
    parts.push(make("h2", "", note ? note.title || "(no title)" : "(not in this release)"));
    if (note && note.body) parts.push(make("p", "", note.body));
    if (note && note.labels) parts.push(make("p", "soft", note.labels));
    parts.push(make("p", "soft", id));
    article.replaceChildren(...parts);
  };
  const show = () => {
    const done = answers.length === data.pairs.length;
    find("pair").hidden = done;
    find("done").hidden = !done;
    for (const name of ["yes", "no", "skip"]) find(name).disabled = done;
    find("undo").disabled = answers.length === 0;
    find("count").textContent = answers.length + " of " + data.pairs.length;
    find("progress").max = data.pairs.length;
    find("progress").value = answers.length;
    if (!done) {
      fill(find("a"), String(data.pairs[answers.length].a));
      fill(find("b"), String(data.pairs[answers.length].b));
    }
  };
  const answer = (relevant) => {
    if (answers.length === data.pairs.length) return;
    answers.push({ relevant: relevant, judged_at: new Date().toISOString() });
    store();
    show();
  };
  const undo = () => {
    answers.pop();
    store();
    show();
  };
  const save = () => {
    const lines = answers.map((one, place) => JSON.stringify({ ...data.pairs[place], ...one }) + "\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = data.name + ".jsonl";
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const keys = { y: () => answer(true), n: () => answer(false), s: () => answer(null), u: undo, Backspace: undo };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  find("yes").addEventListener("click", () => answer(true));
  find("no").addEventListener("click", () => answer(false));
  find("skip").addEventListener("click", () => answer(null));
  find("undo").addEventListener("click", undo);
  find("save").addEventListener("click", save);
  show();
})();
