"""Recipes: what is made of the matrix with the target's help, fitted inside each fold.

A new recipe is one new file that defines `RECIPE`, and one line in `registry.py`.
"""

from automl.features.recipes.base import FittedRecipe, Fold, Plan, Recipe
from automl.features.recipes.encoded import MOST_LEVELS
from automl.features.recipes.registry import RECIPES, fit_recipe, load_recipe, plan_recipes

__all__ = [
    "MOST_LEVELS",
    "RECIPES",
    "FittedRecipe",
    "Fold",
    "Plan",
    "Recipe",
    "fit_recipe",
    "load_recipe",
    "plan_recipes",
]
