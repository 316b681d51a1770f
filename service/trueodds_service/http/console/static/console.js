// All that the pages do without a reload; they work without it as well.
"use strict";

// Ctrl + Enter sends the form that one writes in.
for (const form of document.querySelectorAll("form[data-keys]")) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", () => {
    form.querySelector("button")?.setAttribute("aria-busy", "true");
  });
}

// Back from another page the form is there again, and waits for nothing.
addEventListener("pageshow", () => {
  for (const busy of document.querySelectorAll("button[aria-busy]")) busy.removeAttribute("aria-busy");
});

// A file goes into the field that it is for, to be seen before it is sent.
for (const input of document.querySelectorAll("input[data-into]")) {
  input.closest("label").hidden = false;
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file) document.getElementById(input.dataset.into).value = await file.text();
  });
}

// Numbers that are kept fresh while somebody looks.
const REFRESH_MILLISECONDS = 2000;
for (const live of document.querySelectorAll("[data-refresh]")) {
  const refresh = async () => {
    if (!document.hidden) {
      try {
        const response = await fetch(live.dataset.refresh, { redirect: "error" });
        if (response.ok) live.innerHTML = await response.text();
        live.toggleAttribute("data-away", !response.ok);
      } catch {
        live.setAttribute("data-away", "");
      }
    }
    setTimeout(refresh, REFRESH_MILLISECONDS);
  };
  setTimeout(refresh, REFRESH_MILLISECONDS);
}
