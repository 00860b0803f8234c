"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const up = document.documentElement.dataset.up;
  if (up && location.protocol.startsWith("http")) {
    const base = new URL(up, location.href);
    base.username = base.password = "";
    for (const part of document.querySelectorAll(".base")) part.textContent = base.href.replace(/\/$/, "");
  }
  for (const time of document.querySelectorAll("time")) {
    const minutes = Math.trunc((Date.now() - Date.parse(time.dateTime)) / 60000);
    if (minutes < 0) continue;
    time.title = time.textContent;
    if (minutes < 1) time.textContent = "just now";
    else if (minutes < 60) time.textContent = `${minutes} min ago`;
    else if (minutes < 2880) time.textContent = `${Math.trunc(minutes / 60)} h ago`;
    else time.textContent = `${Math.trunc(minutes / 1440)} d ago`;
  }
});
