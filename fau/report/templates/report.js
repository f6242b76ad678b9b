"use strict";
(() => {
  // The figures are written with stand-ins for the colours of the reader's scheme: text, muted, grid, paper.
  const schemes = {
    light: { "#010101": "#1c1f24", "#020202": "#5c6470", "#030303": "#e3e6ea", "#040404": "#ffffff" },
    dark: { "#010101": "#e6e8eb", "#020202": "#9aa3af", "#030303": "#333941", "#040404": "#1b1e23" },
  };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawings = JSON.parse(document.getElementById("drawings").textContent);
  const chosen = {};
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: "fau-report" },
  };

  const coloured = (figure) => {
    const colours = schemes[dark.matches ? "dark" : "light"];
    return JSON.parse(JSON.stringify(figure).replace(/#0[1-4]0[1-4]0[1-4]/g, (match) => colours[match] || match));
  };

  const draw = (id) => {
    const figure = coloured(drawings[id][chosen[id] || 0].figure);
    return Plotly.react(id, figure.data, figure.layout, config);
  };

  const drawAll = () => Promise.all(Object.keys(drawings).map(draw));

  document.querySelectorAll("select[data-for]").forEach((select) => {
    select.addEventListener("change", () => {
      chosen[select.dataset.for] = Number(select.value);
      draw(select.dataset.for);
    });
  });
  dark.addEventListener("change", drawAll);
  drawAll().then((done) => { document.body.dataset.drawn = String(done.length); });
})();
