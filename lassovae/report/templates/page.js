"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  function theme() {
    const root = document.documentElement, button = $("theme");
    const dark = () =>
      root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      show();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  }

  function sortBy(head) {
    const table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    const numeric = "numeric" in head.dataset;
    const key = (row) => row.cells[column].dataset.key;
    const compare = (a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === ""); // what has no value stays last
      const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, undefined, { numeric: true });
      return down ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
    for (const other of head.parentNode.children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  function edges() {
    const part = $("edges");
    if (!part) return;
    let held = null;
    const mark = (edge) => {
      part.classList.toggle("chosen", edge !== null);
      for (const item of part.querySelectorAll("[data-edge]")) {
        const on = item.dataset.edge === edge;
        item.classList.toggle("on", on);
        const pick = item.querySelector(".pick");
        if (pick) pick.setAttribute("aria-pressed", String(item.dataset.edge === held));
      }
    };
    for (const item of part.querySelectorAll("[data-edge]")) {
      item.addEventListener("pointerenter", () => mark(item.dataset.edge));
      item.addEventListener("pointerleave", () => mark(held));
      item.addEventListener("click", () => {
        held = held === item.dataset.edge ? null : item.dataset.edge;
        mark(held);
      });
    }
  }

  function copying() {
    for (const button of document.querySelectorAll(".copy")) {
      button.parentNode.hidden = false;
      button.addEventListener("click", async () => {
        const source = $(button.dataset.copy), text = source.textContent;
        let done = false;
        try {
          await navigator.clipboard.writeText(text);
          done = true;
        } catch (refused) { // as where the page is not trusted with the clipboard
          source.closest("details").open = true;
          const range = document.createRange();
          range.selectNodeContents(source);
          getSelection().removeAllRanges();
          getSelection().addRange(range);
          done = document.execCommand("copy");
        }
        $("copied").textContent = done ? "Copied." : "Selected: press Ctrl+C.";
      });
    }
  }

  function contents() {
    const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash.slice(1), a]));
    const seen = new Set();
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
      const first = [...links.keys()].find((id) => seen.has(id));
      for (const [id, link] of links) {
        if (id === first) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    });
    for (const id of links.keys()) watch.observe($(id));
  }

  function viewer() {
    const data = JSON.parse($("clips").textContent);
    const { width, height, columns, colours, clips } = data;
    const kinds = ["original", "forecast", "residual"];
    const canvas = Object.fromEntries(kinds.map((kind) => [kind, $("canvas-" + kind)]));
    const slider = $("frame"), select = $("clip"), play = $("play"), where = $("where");
    const sheets = [];
    let timer = null;

    const sheet = (clip, kind) => {
      sheets[clip] ??= {};
      if (!sheets[clip][kind]) {
        const image = new Image();
        image.addEventListener("load", draw);
        image.src = clips[clip][kind];
        sheets[clip][kind] = image;
      }
      return sheets[clip][kind];
    };

    function draw() {
      const clip = Number(select.value), at = Number(slider.value), { first, rate, count, name } = clips[clip];
      const left = (at % columns) * width, top = Math.floor(at / columns) * height;
      for (const kind of kinds) {
        const image = sheet(clip, kind);
        if (!image.complete || !image.naturalWidth) continue;
        const context = canvas[kind].getContext("2d", { willReadFrequently: true });
        context.drawImage(image, left, top, width, height, 0, 0, width, height);
        if (kind === "residual") {
          const pixels = context.getImageData(0, 0, width, height), values = pixels.data;
          for (let i = 0; i < values.length; i += 4) {
            const level = 3 * values[i];
            values[i] = colours[level];
            values[i + 1] = colours[level + 1];
            values[i + 2] = colours[level + 2];
          }
          context.putImageData(pixels, 0, 0);
        }
        canvas[kind].dataset.shown = clip + "/" + at;
      }
      const seconds = rate ? ", " + ((first + at) / rate).toFixed(2) + " s" : "";
      where.textContent = "frame " + (first + at) + seconds + " (" + (at + 1) + " of " + count + ")";
      slider.setAttribute("aria-valuetext", name + ", " + where.textContent);
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    }

    function choose() {
      stop();
      slider.max = clips[Number(select.value)].count - 1;
      slider.value = 0;
      draw();
    }

    select.addEventListener("change", choose);
    slider.addEventListener("input", draw);
    play.addEventListener("click", () => {
      if (timer !== null) return stop();
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => {
        slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
        draw();
      }, 120);
    });
    for (const part of document.querySelectorAll("#viewer [hidden]")) part.hidden = false;
    choose();
  }

  function large() {
    const box = $("large"), whole = $("large-image"), save = $("large-save");
    for (const pan of document.querySelectorAll("figure .pan")) {
      const image = pan.querySelector("img"), button = document.createElement("button");
      const name = pan.closest("figure").id.replace("figure-", "");
      button.type = "button";
      button.className = "enlarge";
      button.title = "Open at full size";
      image.replaceWith(button);
      button.append(image);
      button.addEventListener("click", () => {
        whole.src = save.href = image.src;
        whole.alt = image.alt;
        save.download = name + ".png";
        box.showModal();
      });
    }
    $("large-close").addEventListener("click", () => box.close());
    box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  }

  theme();
  large();
  for (const button of document.querySelectorAll(".sort")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }
  edges();
  copying();
  contents();
  viewer();
})();
